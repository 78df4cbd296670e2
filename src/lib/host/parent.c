/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "device/mdev.h"
#include "host/parent.h"

#define PARENTS "sys/class/mdev_bus"
#define PCI "sys/bus/pci/devices"

/* The last component of what a link of this parent points to. */
static char *linked(const struct env *env, const char *parent, const char *link)
{
	char path[sizeof(PARENTS "//driver") + NAME_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), PARENTS "/%s/%s", parent, link);
	ssize_t n = readlinkat(env->root, path, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	const char *name = slash ? slash + 1 : target;
	return name_valid(name) ? mem_text(name) : NULL;
}

char *parent_driver(const struct env *env, const char *parent)
{
	return linked(env, parent, "driver");
}

char *parent_card(const struct env *env, const char *parent)
{
	return linked(env, parent, "physfn");
}

/* Whether dirfd/device/name is a file with this text; wanted NULL = any but "0". */
static bool attr_is(int dirfd, const char *device, const char *name, const char *wanted)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", device, name);
	char text[64];

	if (file_read_attr(dirfd, path, text, sizeof(text)) < 0)
		return false;
	return wanted ? strcmp(text, wanted) == 0 : strcmp(text, "0") != 0;
}

static bool is_display(int dirfd, const char *device)
{
	_cleanup_free_ char *path = mem_printf("%s/class", device);
	char text[64];

	return file_read_attr(dirfd, path, text, sizeof(text)) == 0 &&
	       strncmp(text, "0x03", 4) == 0;
}

char *parent_explain_cards(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, PCI);
	if (fd < 0 || file_scan(fd, ".", &names) < 0)
		return NULL;
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;
		_cleanup_free_ char *vgpu = mem_printf("%s/nvidia/current_vgpu_type", name);

		if (faccessat(fd, vgpu, F_OK, 0) == 0)
			return mem_printf("The NVIDIA driver of this host does not use mediated "
					  "devices: to create a vGPU, write the number of its type "
					  "to /" PCI "/%s, and assign the PCI device to a guest",
					  vgpu);
	}
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;

		if (is_display(fd, name) && attr_is(fd, name, "sriov_totalvfs", NULL) &&
		    attr_is(fd, name, "sriov_numvfs", "0"))
			return mem_printf("Graphics card %s has no virtual functions enabled, but "
					  "its driver may support types only on these; see "
					  "/" PCI "/%s/sriov_numvfs",
					  name, name);
	}
	return NULL;
}
