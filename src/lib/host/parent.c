/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "device/mdev.h"
#include "host/parent.h"

/* Returns the last component of the target of a link of this device. */
static const char *linked(const struct env *env, const char *dir, const char *device,
			  const char *link)
{
	_cleanup_free_ char *path = mem_printf("%s/%s/%s", dir, device, link);
	char target[PATH_MAX];

	if (file_read_link(env->root, path, target) < 0)
		return NULL;
	const char *name = text_base_name(target);
	return name_valid(name) ? mem_intern(name) : NULL;
}

const char *parent_driver(const struct env *env, const char *parent)
{
	static const char *const dirs[] = { PARENT_CLASS, PCI_DEVICES, SUBCHANNELS };
	const char *driver = NULL;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !driver; i++)
		driver = linked(env, dirs[i], parent, "driver");
	return driver;
}

const char *parent_card(const struct env *env, const char *parent)
{
	return linked(env, PARENT_CLASS, parent, "physfn");
}

bool parent_present(const struct env *env, const char *parent)
{
	return env_has(env, PARENT_CLASS "/%s", parent);
}

bool parent_is_device(const struct env *env, const char *name)
{
	return env_has(env, PCI_DEVICES "/%s", name) || env_has(env, SUBCHANNELS "/%s", name);
}

bool parent_is(const struct env *env, const char *parent, const char *name)
{
	if (strcmp(parent, name) == 0)
		return true;
	const char *card = parent_card(env, parent);
	return card && strcmp(card, name) == 0;
}

static void add_vf(const struct env *env, const char *name, struct parent_vf_list *ret)
{
	_cleanup_free_ char *current = mem_printf(PCI_DEVICES "/%s/nvidia/current_vgpu_type", name);
	char text[64];

	int r = file_read_attr(env->root, current, text, sizeof(text));
	if (file_is_missing(-r))
		return;
	struct parent_vf vf = { .path = mem_printf(PCI_DEVICES "/%s", name) };
	vf.name = text_base_name(vf.path);
	vf.driver = linked(env, PCI_DEVICES, name, "driver");
	vf.card = linked(env, PCI_DEVICES, name, "physfn");
	if (r < 0 || !text_number(text, UINT_MAX, &vf.type))
		vf.typed = ANSWER_UNKNOWN;
	else
		vf.typed = vf.type ? ANSWER_YES : ANSWER_NO;
	ret->v = mem_room(ret->v, ret->n, sizeof(*ret->v));
	ret->v[ret->n++] = vf;
}

/* Finds the name of a type in the list of supported types of a function: lines "NUMBER : NAME". */
static const char *offered_title(const struct env *env, const struct parent_vf *vf, unsigned type)
{
	_cleanup_free_ char *path = mem_printf("%s/nvidia/creatable_vgpu_types", vf->path);
	char text[4096 + 1], *rest = text, *line;

	if (file_read_attr(env->root, path, text, sizeof(text)) < 0)
		return NULL;
	while ((line = strsep(&rest, "\n"))) {
		const char *p = line + strspn(line, " \t");
		unsigned number;

		if (!text_take_number(&p, UINT_MAX, &number) || number != type)
			continue;
		p += strspn(p, " \t");
		if (*p++ != ':')
			continue;
		text_clean(line);
		return mem_intern(p + strspn(p, " \t"));
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
			vf->title = list->v[j].title;
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

	(void)file_scan(env->root, PCI_DEVICES, &names); /* empty without PCI */
	for (int i = 0; i < names.n; i++)
		if (name_valid(names.v[i]->d_name))
			add_vf(env, names.v[i]->d_name, ret);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].typed == ANSWER_YES)
			find_title(env, ret, i);
	ret->holders = mem_zero(ret->n + 1, sizeof(*ret->holders));
	for (size_t i = 0; i < ret->n; i++)
		ret->holders[i].path = ret->v[i].path;
	holder_find_all(env, ret->holders, ret->n, true);
}

void parent_free_vfs(struct parent_vf_list *list)
{
	holder_free_all(list->holders, list->n);
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].path);
	free(list->holders);
	free(list->v);
	*list = (struct parent_vf_list){ 0 };
}
