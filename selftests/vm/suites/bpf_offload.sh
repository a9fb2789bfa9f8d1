#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

set -u
export PATH=$PWD/tools/sbin:$PATH
cd ../net && ./bpf_offload.py >"$1/log" 2>&1
