/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor of writing definitions: N files of one parent, each as safely as it can be done
 * (locked, written to a temporary file, synced, renamed to a name that must not exist, directory
 * synced). usage: puts ROOT N
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text[] =
	"{\n  \"mdev_type\": \"mtty-1\",\n  \"start\": \"manual\",\n  \"attrs\": "
	"[],\n  \"set\": \"bench/000\"\n}";

static void put(int root, int n)
{
	char path[128];
	int lock = openat(root, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	flock(lock, LOCK_EX);
	snprintf(path, sizeof(path), "mtty/%08x-0000-4000-8000-000000000000", n);
	int fd = openat(root, ".temporary", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (write(fd, text, sizeof(text) - 1) < 0 || fsync(fd) < 0 ||
	    renameat2(root, ".temporary", root, path, RENAME_NOREPLACE) < 0)
		exit(1);
	close(fd);
	fd = openat(root, "mtty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fsync(fd) < 0)
		exit(1);
	close(fd);
	close(lock);
}

int main(int argc, char *argv[])
{
	if (argc != 3 || chdir(argv[1]) < 0)
		return 2;
	int root = open("etc/mdevctl.d", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)mkdirat(root, "mtty", 0777);
	for (int i = 0; i < atoi(argv[2]); i++)
		put(root, i);
	return 0;
}
