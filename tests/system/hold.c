// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * hold WHAT NODE UUID [COMMAND...]
 *
 * Uses a mediated device in one of these ways:
 *   group     /dev/vfio/NODE is open
 *   device    the device is open, through the group in a container, like a guest
 *   closed    the same, after group and container have been closed
 *   handed    a child process has the device open, and this process the group and the container
 *   cdev      /dev/vfio/devices/NODE is open
 *   iommufd   the same, bound to an iommufd
 *
 * Prints "holding" when it is ready, and exits at the end of input or on a signal. If COMMAND is
 * given, runs it as a child process that inherits none of this, and exits with its exit status.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* From <linux/vfio.h>, which is too old on some systems. */
#define VFIO_DEVICE_BIND_IOMMUFD_ _IO(VFIO_TYPE, VFIO_BASE + 18)
struct bind_iommufd {
	__u32 argsz, flags;
	__s32 iommufd;
	__u32 out_devid;
};

static int open_node(const char *dir, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static int attach_container(int group)
{
	int container = open_node("/dev/vfio", "vfio");

	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		err(1, "VFIO_GROUP_SET_CONTAINER");
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		err(1, "VFIO_SET_IOMMU");
	return container;
}

static void wait_for_end(void)
{
	char byte;

	puts("holding");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* The child process keeps everything open except these files, and ends with this process. */
static void hand_over(int group, int container, int device)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		err(1, "pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(group);
		close(container);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(device);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		err(1, "the child");
	close(ready[0]);
}

static void hold_group(const char *what, const char *node, const char *uuid)
{
	int group = open_node("/dev/vfio", node), container, device;

	if (!strcmp(what, "group"))
		return;
	container = attach_container(group);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (device < 0)
		err(1, "VFIO_GROUP_GET_DEVICE_FD");
	fcntl(device, F_SETFD, FD_CLOEXEC);
	if (!strcmp(what, "handed"))
		hand_over(group, container, device);
	if (!strcmp(what, "closed")) {
		close(group);
		close(container);
	}
}

static void bind_iommufd(int device)
{
	struct bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = open_node("/dev", "iommu") };

	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD_, &bind) < 0)
		err(1, "VFIO_DEVICE_BIND_IOMMUFD");
}

static int run(char **command)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execvp(*command, command);
		err(127, "%s", *command);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		err(1, "%s", *command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(2, "Usage: hold WHAT NODE UUID [COMMAND...]");
	if (!strcmp(argv[1], "iommufd"))
		bind_iommufd(open_node("/dev/vfio/devices", argv[2]));
	else if (!strcmp(argv[1], "cdev"))
		open_node("/dev/vfio/devices", argv[2]);
	else
		hold_group(argv[1], argv[2], argv[3]);
	if (argc > 4)
		return run(argv + 4);
	wait_for_end();
	return 0;
}
