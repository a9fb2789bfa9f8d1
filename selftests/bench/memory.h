/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BOTH_MODES_MEMORY_H
#define _BOTH_MODES_MEMORY_H

/* Counts from here, for a load to come. */
void memory_begin(void);
/* Most bytes that rewriting has had allocated at a time since then. */
long long memory_end(void);
/* Says what has failed, and errno; does not return. */
void memory_fail(const char *what);

#endif /* _BOTH_MODES_MEMORY_H */
