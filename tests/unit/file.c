/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attribute writes stay below their directory, whatever the kernel has to see to that: this is run
 * with and without openat2(), see portable.bats. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static void make(int dir, const char *path)
{
	_cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert(fd >= 0);
}

static void holds(int dir, const char *path, const char *want)
{
	char text[64];

	assert(file_read_attr(dir, path, text, sizeof(text)) == 0);
	assert(strcmp(text, want) == 0);
}

static void test_written(int dir)
{
	assert(file_write_attr(dir, "a", "1") == 0);
	holds(dir, "a", "1");
	assert(file_write_attr(dir, "sub/b", "2") == 0);
	holds(dir, "sub/b", "2");
	assert(file_write_attr(dir, "sub//./b", "3") == 0);
	holds(dir, "sub/b", "3");
}

static void test_refused(int dir, const char *absolute)
{
	assert(file_write_attr(dir, "../outside", "1") == -EXDEV);
	assert(file_write_attr(dir, "sub/../../outside", "1") == -EXDEV);
	assert(file_write_attr(dir, absolute, "1") == -EXDEV);
	assert(file_write_attr(dir, "link", "1") < 0);
	assert(file_write_attr(dir, "up/outside", "1") < 0);
	assert(file_write_attr(dir, "missing", "1") == -ENOENT);
	assert(file_write_attr(dir, "missing/b", "1") == -ENOENT);
	assert(file_write_attr(dir, "a/b", "1") == -ENOTDIR);
	assert(file_write_attr(dir, "sub", "1") == -EISDIR);
	assert(file_write_attr(dir, "sub/", "1") == -EISDIR);
	assert(file_write_attr(dir, "a/", "1") < 0);
	holds(dir, "../outside", "");
	holds(dir, "a", "1");
}

static void test_long_name(int dir)
{
	char name[400];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert(file_write_attr(dir, name, "1") == -ENAMETOOLONG);
}

int main(void)
{
	char root[] = "/tmp/mdev-file-XXXXXX";

	assert(mkdtemp(root));
	_cleanup_close_ int top = file_open_dir(AT_FDCWD, root);
	assert(top >= 0 && mkdirat(top, "dir", 0700) == 0 && mkdirat(top, "dir/sub", 0700) == 0);
	make(top, "outside");
	make(top, "dir/a");
	make(top, "dir/sub/b");
	assert(symlinkat("../outside", top, "dir/link") == 0);
	assert(symlinkat("..", top, "dir/up") == 0);
	_cleanup_close_ int dir = file_open_dir(top, "dir");
	_cleanup_free_ char *absolute = mem_printf("%s/outside", root);

	test_written(dir);
	test_refused(dir, absolute);
	test_long_name(dir);

	assert(unlinkat(top, "dir/up", 0) == 0 && unlinkat(top, "dir/link", 0) == 0);
	assert(unlinkat(top, "dir/sub/b", 0) == 0 && unlinkat(top, "dir/a", 0) == 0);
	assert(unlinkat(top, "outside", 0) == 0);
	assert(unlinkat(top, "dir/sub", AT_REMOVEDIR) == 0);
	assert(unlinkat(top, "dir", AT_REMOVEDIR) == 0 && rmdir(root) == 0);
	return 0;
}
