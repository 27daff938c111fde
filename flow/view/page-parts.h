/* flow/view/page-parts.h: the files of flow/view/page/ as texts; the script embed there makes the C of it when kith is built. */
#ifndef KITH_FLOW_VIEW_PAGE_PARTS_H
#define KITH_FLOW_VIEW_PAGE_PARTS_H

extern const char flow_page_start[], flow_page_end[], flow_page_style[], flow_page_script[];
/* "sha256-...", as a Content-Security-Policy names it. */
extern const char flow_page_script_hash[];

#endif
