/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions of libcjson that device/json calls, for the programs that list: they load the
 * library at the first call. Definitions as we and mdevctl write them are read without it
 * (device/plain), and loading it takes 43 of the 670 us of a list of 10 devices.
 */
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define LIBRARY "libcjson.so." TEXT(CJSON_VERSION_MAJOR)

static void *find(const char *function)
{
	static void *library;

	if (!library)
		library = dlopen(LIBRARY, RTLD_NOW);
	void *found = library ? dlsym(library, function) : NULL;
	if (!found) {
		log_error("Failed to load %s: %s", LIBRARY, dlerror());
		exit(STATUS_FAILED);
	}
	return found;
}

/* Defines a function that calls the one of this name in the library. */
#define LAZY(result, name, parameters, ...)                                                        \
	result name parameters                                                                     \
	{                                                                                          \
		static __typeof__(name) *function;                                                 \
                                                                                                   \
		if (!function)                                                                     \
			function = (__typeof__(function))find(#name);                              \
		return function(__VA_ARGS__);                                                      \
	}

LAZY(cJSON *, cJSON_Parse, (const char *text), text)
LAZY(cJSON *, cJSON_ParseWithOpts, (const char *text, const char **end, cJSON_bool whole), text,
     end, whole)
LAZY(void, cJSON_Delete, (cJSON * item), item)
LAZY(char *, cJSON_GetStringValue, (const cJSON *item), item)
LAZY(cJSON_bool, cJSON_IsArray, (const cJSON *item), item)
LAZY(cJSON_bool, cJSON_IsNull, (const cJSON *item), item)
LAZY(cJSON_bool, cJSON_IsNumber, (const cJSON *item), item)
LAZY(cJSON_bool, cJSON_IsObject, (const cJSON *item), item)
LAZY(cJSON_bool, cJSON_IsString, (const cJSON *item), item)
