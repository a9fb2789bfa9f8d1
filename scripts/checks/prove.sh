#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The proof holds, its refused variants are refused, and its model does what the engine does.

exec "$(dirname "$0")/../run/prove.sh"
