/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/vfio.h"

int vfio_group(int dirfd, const char *device, char ret[NAME_MAX + 1])
{
	_cleanup_free_ char *path = mem_printf("%s/iommu_group", device);
	char target[PATH_MAX];

	int r = file_read_link(dirfd, path, target);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return snprintf(ret, NAME_MAX + 1, "%s", text_base_name(target)) <= NAME_MAX
		       ? 1
		       : -ENAMETOOLONG;
}

int vfio_device(int dirfd, const char *device, char ret[NAME_MAX + 1])
{
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/vfio-dev", device);

	int r = file_scan(dirfd, path, &names);
	if (r < 0 || names.n == 0)
		return r == -ENOENT ? 0 : r;
	_cleanup_free_ char *number = mem_printf("%s/%s/dev", path, names.v[0]->d_name);
	if (faccessat(dirfd, number, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(ret, NAME_MAX + 1, "%s", names.v[0]->d_name);
	return 1;
}
