/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The status page: a pure function of the answers of Status and History.
 *
 * It's whole without a script: tables of what's so now, and of upgrades that are over, with
 * links to their pictures. page.js, if it may run, keeps the first part as it is, by events
 * that have the same JSON. All texts are escaped; nothing is loaded from elsewhere.
 */
#ifndef KHO_VIEW_HTML_H
#define KHO_VIEW_HTML_H

#include <systemd/sd-json.h>

/*
 * @state: of Status (api/api.c), with "more" or without. @history: the array of History.
 * What's missing in them is left empty. The caller frees *@ret. -ENOMEM.
 */
int kho_html_page(sd_json_variant *state, sd_json_variant *history, char **ret);

/* "data: JSON" and an empty line; the caller frees *@ret. -ENOMEM. */
int kho_html_event(sd_json_variant *state, char **ret);

/* assets.S: texts with a NUL behind them. */
extern const char kho_page_js[], kho_page_css[];

#endif
