// SPDX-License-Identifier: GPL-2.0
//
// All that is compiled, for Compare.cs.

include "reach.dfy"
include "positions.dfy"
include "aux.dfy"
include "shrink.dfy"
include "removed.dfy"
// Not run, but the compiler says what has no body.
include "sweep.dfy"
include "blame.dfy"
include "relax.dfy"
