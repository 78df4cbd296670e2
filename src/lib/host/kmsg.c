/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/kmsg.h"

int kmsg_open(int root)
{
	return openat(root, "dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int kmsg_mark(int root)
{
	static int fd = -1;
	static bool tried;

	if (!tried)
		fd = kmsg_open(root);
	tried = true;
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END); /* if it is not seekable, all of it is read */
	return fd;
}

bool kmsg_is_routine(const char *text)
{
	return strstr(text, "Adding to iommu group ") || strstr(text, "Removing from iommu group ");
}

/* Priorities above 7 include a facility: the message was written by a process. */
const char *kmsg_text(const char *line)
{
	const char *text = strchr(line, ';');

	if (!text || line[0] < '0' || line[0] > '7' || line[1] != ',' || kmsg_is_routine(text))
		return NULL;
	return text + 1;
}

/* The line " DEVICE=+SUBSYSTEM:NAME" follows messages of drivers about a device. */
static bool is_device(const char *line, const char *name)
{
	static const char key[] = " DEVICE=+";

	if (strncmp(line, key, strlen(key)) != 0)
		return false;
	const char *colon = strchr(line, ':');
	return colon && strcmp(colon + 1, name) == 0;
}

static bool is_word(const char *text, const char *uuid)
{
	size_t n = strlen(uuid);

	return strncmp(text, uuid, n) == 0 && (text[n] == '\0' || strchr(" :,", text[n]));
}

/* Drivers that do not use the device logging functions put the name of the device first, or after
 * their own name. Users may control text after that: of a crashed process, the name is logged. */
static bool names(const char *text, const char *uuid)
{
	const char *space = strchr(text, ' ');

	return is_word(text, uuid) || (space && is_word(space + 1, uuid));
}

/* The kernel returns one record per read, a regular file many. That a driver has rejected a device
 * (drivers/base/dd.c) follows the reason that the driver has logged, and only adds the number. */
static void find_last(char *records, const char *uuid, const char *parent, char last[KMSG_SIZE])
{
	const char *text = NULL;
	char *line;

	while ((line = strsep(&records, "\n"))) {
		bool more = *line == ' ';

		if (!more)
			text = kmsg_text(line);
		if (text && !strstr(text, ": probe with driver ") &&
		    (more ? is_device(line, uuid) || is_device(line, parent) : names(text, uuid)))
			snprintf(last, KMSG_SIZE, "%s", text);
	}
}

bool kmsg_read(int fd, char ret[KMSG_RECORDS])
{
	ssize_t n = fd < 0 ? 0 : read(fd, ret, KMSG_RECORDS - 1);

	ret[n > 0 ? n : 0] = '\0';
	return n > 0 || (n < 0 && (errno == EINTR || errno == EPIPE)); /* EPIPE: overwritten */
}

/* More than the kernel keeps (CONFIG_LOG_BUF_SHIFT), so that only a flood ends there: 10 ms. */
#define KMSG_LIMIT 10000

void kmsg_last(int fd, const char *uuid, const char *parent, char ret[KMSG_SIZE])
{
	char records[KMSG_RECORDS];

	*ret = '\0';
	for (int left = KMSG_LIMIT; left > 0 && kmsg_read(fd, records); left--)
		find_last(records, uuid, parent, ret);
}
