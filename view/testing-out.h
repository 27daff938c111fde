/* view/testing-out.h: what a view writes, as one text, for tests of cmocka's. */
#ifndef KITH_VIEW_TESTING_OUT_H
#define KITH_VIEW_TESTING_OUT_H

#include <errno.h>
#include <stdio.h>

#include "view/out.h"

static inline int test_out_write(void *userdata, const void *data, size_t size) {
    return fwrite(data, 1, size, userdata) == size ? 0 : -EIO;
}

/* `call` is a view's, which writes to `out`: TEST_OUT(flow_view_dot(chart, &out)). To free(). */
#define TEST_OUT(call)                                                                                                                     \
    __extension__({                                                                                                                        \
        struct view_out out;                                                                                                               \
        char *text_ = NULL;                                                                                                                \
        size_t size_;                                                                                                                      \
        FILE *file_ = open_memstream(&text_, &size_);                                                                                      \
        assert_non_null(file_);                                                                                                            \
        view_out_init(&out, test_out_write, file_);                                                                                        \
        assert_int_equal(call, 0);                                                                                                         \
        assert_int_equal(fclose(file_), 0);                                                                                                \
        text_;                                                                                                                             \
    })

#endif
