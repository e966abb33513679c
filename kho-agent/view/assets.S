/* SPDX-License-Identifier: GPL-2.0-only */
/* What the status page consists of, as it is. */
	.section .rodata
	.globl kho_page_js, kho_page_css
kho_page_js:
	.incbin "kho-agent/view/page.js"
	.byte 0
kho_page_css:
	.incbin "kho-agent/view/page.css"
	.byte 0
	.section .note.GNU-stack, "", @progbits
