/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "device/mdev.h"
#include "host/parent.h"

#define PCI "sys/bus/pci/devices"
#define CHANNELS "sys/bus/css"

/* Returns the last component of the target of a link of this parent. */
static char *linked(const struct env *env, const char *device, const char *link)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", device, link);
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
	_cleanup_free_ char *device = mem_printf(PARENT_CLASS "/%s", parent);

	return linked(env, device, "driver");
}

char *parent_card(const struct env *env, const char *parent)
{
	_cleanup_free_ char *device = mem_printf(PARENT_CLASS "/%s", parent);

	return linked(env, device, "physfn");
}

static void add_vf(const struct env *env, const char *name, struct parent_vf_list *ret)
{
	_cleanup_free_ char *current = mem_printf(PCI "/%s/nvidia/current_vgpu_type", name);
	char text[64];

	int r = file_read_attr(env->root, current, text, sizeof(text));
	if (file_is_missing(-r))
		return;
	struct parent_vf vf = { .name = mem_text(name), .path = mem_printf(PCI "/%s", name) };
	vf.driver = linked(env, vf.path, "driver");
	vf.card = linked(env, vf.path, "physfn");
	if (r < 0 || !text_number(text, UINT_MAX, &vf.type))
		vf.typed = ANSWER_UNKNOWN;
	else
		vf.typed = vf.type ? ANSWER_YES : ANSWER_NO;
	ret->v = mem_grow(ret->v, ret->n + 1, sizeof(*ret->v));
	ret->v[ret->n++] = vf;
}

/* Finds the name of a type in the list of supported types of a function: lines "NUMBER : NAME". */
static char *offered_title(const struct env *env, const struct parent_vf *vf, unsigned type)
{
	_cleanup_free_ char *path = mem_printf("%s/nvidia/creatable_vgpu_types", vf->path);
	char text[4096 + 1], *rest = text, *line, *end;

	if (file_read_attr(env->root, path, text, sizeof(text)) < 0)
		return NULL;
	while ((line = strsep(&rest, "\n"))) {
		unsigned long number = strtoul(line, &end, 10);

		end += strspn(end, " \t");
		if (number != type || end == line || *end != ':')
			continue;
		end++;
		char *title = mem_text(end + strspn(end, " \t"));
		text_clean(title);
		return title;
	}
	return NULL;
}

/* Only functions of the card without a type list the supported types. Each type is looked up only
 * once, as the driver is slow. */
static void find_title(const struct env *env, struct parent_vf_list *list, size_t i)
{
	struct parent_vf *vf = &list->v[i];

	for (size_t j = 0; j < i && !vf->title; j++)
		if (list->v[j].type == vf->type && list->v[j].title)
			vf->title = mem_text(list->v[j].title);
	for (size_t j = 0; j < list->n && !vf->title; j++)
		if (list->v[j].typed == ANSWER_NO && vf->card && list->v[j].card &&
		    strcmp(vf->card, list->v[j].card) == 0) {
			vf->title = offered_title(env, &list->v[j], vf->type);
			return;
		}
}

void parent_find_vfs(const struct env *env, struct parent_vf_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	(void)file_scan(env->root, PCI, &names); /* empty without PCI */
	for (int i = 0; i < names.n; i++)
		if (name_valid(names.v[i]->d_name))
			add_vf(env, names.v[i]->d_name, ret);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].typed == ANSWER_YES)
			find_title(env, ret, i);
}

void parent_free_vfs(struct parent_vf_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].name);
		free(list->v[i].path);
		free(list->v[i].driver);
		free(list->v[i].card);
		free(list->v[i].title);
	}
	free(list->v);
	*list = (struct parent_vf_list){ 0 };
}

/* Whether the file dirfd/device/name contains this text; wanted NULL = anything but "0". */
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

/* Explains why no graphics card of this host is a parent: newer NVIDIA drivers provide vGPUs
 * without mdev, and older ones support types of most cards only on virtual functions. Owned by the
 * caller; NULL = no explanation found. */
static char *explain_cards(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, PCI);
	if (file_scan(fd, NULL, &names) < 0)
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

/* Skips what libvirt and nvidia-smi write in front of a name: "mdev_UUID_", "pci_", "css_", and a
 * domain of eight digits. */
static const char *skip_prefix(const char *word)
{
	static const char *const prefixes[] = { "pci_", "css_", "ccw_" };

	if (strncmp(word, "mdev_", 5) == 0 && strlen(word) > 5 + UUID_SIZE &&
	    word[4 + UUID_SIZE] == '_')
		return word + 5 + UUID_SIZE;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(word, prefixes[i], strlen(prefixes[i])) == 0)
			return word + strlen(prefixes[i]);
	if (strncmp(word, "0000", 4) == 0 && strcspn(word, ":") == 8)
		return word + 4;
	return word;
}

/* Whether the words are equal but for case, and for punctuation, which libvirt writes as "_". */
static bool is_spelling_of(const char *word, const char *name)
{
	for (; *word && *name; word++, name++)
		if (tolower((unsigned char)*word) != tolower((unsigned char)*name) &&
		    (*word != '_' || isalnum((unsigned char)*name)))
			return false;
	return !*word && !*name;
}

static bool has_entries(const struct env *env, const char *path)
{
	_cleanup_names_ struct file_names names = { 0 };

	return file_scan(env->root, path, &names) == 0 && names.n > 0;
}

static char *suggest(const struct env *env, const char *word)
{
	_cleanup_names_ struct file_names names = { 0 };
	struct suggestion suggestion = { .word = word };

	(void)file_scan(env->root, PARENT_CLASS, &names); /* on errors, nothing is suggested */
	for (int i = 0; i < names.n; i++)
		if (is_spelling_of(skip_prefix(word), names.v[i]->d_name))
			return mem_printf(". Did you mean '%s'?", names.v[i]->d_name);
	for (int i = 0; i < names.n; i++)
		suggest_try(&suggestion, names.v[i]->d_name);
	return suggest_question(&suggestion);
}

bool parent_present(const struct env *env, const char *parent)
{
	_cleanup_free_ char *path = mem_printf(PARENT_CLASS "/%s", parent);

	return faccessat(env->root, path, F_OK, 0) == 0;
}

/* Finds a subchannel by its name or by the number of its device, which dev_busid shows whatever the
 * driver of the subchannel is. NULL = not found. */
static char *find_subchannel(const struct env *env, const char *word, bool by_device)
{
	_cleanup_names_ struct file_names names = { 0 };
	char device[64];

	_cleanup_close_ int fd = file_open_dir(env->root, CHANNELS "/devices");
	if (file_scan(fd, NULL, &names) < 0)
		return NULL;
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;
		_cleanup_free_ char *path = mem_printf("%s/dev_busid", name);

		if (!by_device && is_spelling_of(word, name))
			return mem_text(name);
		if (by_device && file_read_attr(fd, path, device, sizeof(device)) == 0 &&
		    strcmp(device, "none") != 0 && is_spelling_of(word, device))
			return mem_text(name);
	}
	return NULL;
}

/* On IBM Z, users know the numbers of devices, but parents are subchannels, and only those bound to
 * vfio_ccw. NULL = the word is neither. */
static char *help_subchannel(const struct env *env, const char *word)
{
	const char *name = skip_prefix(word);
	bool is_css = strncmp(word, "css_", 4) == 0;
	_cleanup_free_ char *of_device = is_css ? NULL : find_subchannel(env, name, true);
	_cleanup_free_ char *itself = find_subchannel(env, name, false);

	if (of_device && parent_present(env, of_device))
		return mem_printf(". Did you mean '%s', the subchannel of device %s?", of_device,
				  word);
	if (itself ? parent_present(env, itself) : !of_device)
		return NULL;
	return mem_printf(". To use %s %s as a parent, run 'driverctl -b css set-override %s "
			  "vfio_ccw'",
			  itself ? "subchannel" : "its subchannel", itself ? itself : of_device,
			  itself ? itself : of_device);
}

/* Explains why this host has no parents. The drivers of s390 do not require an IOMMU. */
static char *explain(const struct env *env)
{
	char *cards = explain_cards(env);
	const char *more = "";

	if (cards)
		return cards;
	if (faccessat(env->root, CHANNELS, F_OK, 0) == 0)
		more = ". To use a subchannel as a parent, run 'driverctl -b css set-override "
		       "SUBCHANNEL vfio_ccw'; for cryptographic adapters, load vfio_ap";
	else if (!has_entries(env, "sys/class/iommu"))
		more = ". There is no IOMMU either; it may be disabled in the firmware or on the "
		       "kernel command line";
	return mem_printf("%s%s",
			  faccessat(env->root, PARENT_CLASS, F_OK, 0) < 0
				  ? "No loaded driver supports mediated devices"
				  : "The loaded drivers have no device that supports types",
			  more);
}

char *parent_missing(const struct env *env, const char *parent)
{
	char *help = help_subchannel(env, parent);

	if (help)
		return help;
	if (has_entries(env, PARENT_CLASS))
		return suggest(env, parent);
	_cleanup_free_ char *why = explain(env);
	return mem_printf(". %s", why);
}

char *parent_explain(const struct env *env, const char *parent)
{
	if (parent && parent_present(env, parent))
		return mem_printf("Parent %s does not support any types", parent);
	_cleanup_free_ char *help = parent ? help_subchannel(env, parent) : NULL;
	if (!help && (!parent || !has_entries(env, PARENT_CLASS)))
		return explain(env);
	if (!help)
		help = suggest(env, parent);
	return mem_printf("Parent '%s' does not exist%s", parent, help);
}
