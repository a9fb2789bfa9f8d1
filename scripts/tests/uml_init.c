// SPDX-License-Identifier: GPL-2.0
/*
 * An init for the check uml: prints the status of its second argument, if there is one, then powers
 * off, or ends, which brings the kernel down.
 */
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>

int main(int argc, char **argv)
{
	if (argc > 2)
		printf("@exit %s\n", argv[2]);
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "off"))
		reboot(RB_POWER_OFF);
	return 1;
}
