#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads that must not take long, and loads that are killed while a program is rewritten.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
loader_check um limits-stock kills --mode stock --count 8 --no-leaks
loader_check um limits-patcher kills --mode patcher --phases --count 150 --no-leaks
loader_check um limits-nops measure --only nops_in_a_row,nops_in_front --n 262144 --stock-max 0 --rounds 5 --at-most 2
echo "nops in linear time; stock: $(said limits-stock); patcher: $(said limits-patcher)"
