/* Says where its functions lie: what test-debug.c compares with the debug symbols of this program. */
#include <stdio.h>

int sample_connect(int number);
static int sample_bind(int number);

int sample_connect(int number) { /* line 7 */
    return sample_bind(number) + 1;
}

static int sample_bind(int number) { /* line 11 */
    return number * 2;
}

int main(int argc, char **argv) {
    printf("%p %p %p\n", (void *)sample_connect, (void *)sample_bind, (void *)main);
    return sample_connect(argc) == 0;
}
