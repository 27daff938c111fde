/* map/view/cells.c: see cells.h. */
#include "map/view/cells.h"

#include <string.h>

size_t map_cell_width(const char *text) {
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80; /* not a continuation of UTF-8 */
    return width;
}

void map_cells_put(struct map_cells *cells, const char *text, size_t width) {
    static const char spaces[] = "                                                                ";
    size_t used = map_cell_width(text);

    if (used > 0) {
        for (; cells->spaces > sizeof(spaces) - 1; cells->spaces -= sizeof(spaces) - 1)
            view_out_puts(cells->out, spaces);
        view_out_put(cells->out, spaces, cells->spaces);
        view_out_puts(cells->out, text);
        cells->spaces = 0;
    }
    cells->spaces += (used < width ? width - used : 0) + 2;
}

void map_cells_end(struct map_cells *cells) {
    view_out_puts(cells->out, "\n");
    cells->spaces = 0;
}
