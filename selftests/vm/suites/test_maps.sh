#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

set -u
./test_maps >"$1/log" 2>&1
