# SPDX-License-Identifier: GPL-2.0-only
"""The lab's driver: machines as data, shells into guests, events with deadlines."""
