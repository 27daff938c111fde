/* bench/messages/curve.h: the key pairs that zmq_curve(7) gives as examples: secret from nobody, which a benchmark may be. */
#ifndef KITH_BENCH_MESSAGES_CURVE_H
#define KITH_BENCH_MESSAGES_CURVE_H

#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

#endif
