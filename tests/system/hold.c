// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * hold group GROUP UUID    holds /dev/vfio/GROUP open, no more
 * hold device GROUP UUID   holds a descriptor of the device, as a guest has it
 *
 * Prints "holding" when it does, and holds until end of input or a signal.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void attach_container(int group)
{
	int container = open("/dev/vfio/vfio", O_RDWR);

	if (container < 0)
		err(1, "/dev/vfio/vfio");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		err(1, "VFIO_GROUP_SET_CONTAINER");
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		err(1, "VFIO_SET_IOMMU");
}

int main(int argc, char **argv)
{
	char path[64];
	char byte;
	int group;

	if (argc != 4 || (strcmp(argv[1], "group") && strcmp(argv[1], "device")))
		errx(2, "Usage: hold group|device GROUP UUID");
	snprintf(path, sizeof(path), "/dev/vfio/%s", argv[2]);
	group = open(path, O_RDWR);
	if (group < 0)
		err(1, "%s", path);
	if (!strcmp(argv[1], "device")) {
		attach_container(group);
		if (ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[3]) < 0)
			err(1, "VFIO_GROUP_GET_DEVICE_FD");
	}
	puts("holding");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
