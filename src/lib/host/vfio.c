/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "host/vfio.h"

bool vfio_group(int dirfd, const char *device, char ret[NAME_MAX + 1])
{
	_cleanup_free_ char *path = mem_printf("%s/iommu_group", device);
	char target[PATH_MAX];

	ssize_t n = readlinkat(dirfd, path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	return snprintf(ret, NAME_MAX + 1, "%s", slash ? slash + 1 : target) <= NAME_MAX;
}

bool vfio_device(int dirfd, const char *device, char ret[NAME_MAX + 1])
{
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/vfio-dev", device);

	if (file_scan(dirfd, path, &names) < 0 || names.n == 0)
		return false;
	_cleanup_free_ char *number = mem_printf("%s/%s/dev", path, names.v[0]->d_name);
	if (faccessat(dirfd, number, F_OK, 0) < 0)
		return false;
	return snprintf(ret, NAME_MAX + 1, "%s", names.v[0]->d_name) <= NAME_MAX;
}
