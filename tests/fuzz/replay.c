/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target on the files of its corpus, without libFuzzer: `make check`. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;

		fprintf(stderr, "%s\n", argv[i]); /* the last line is the file that made it crash */
		int r = file_read(AT_FDCWD, argv[i], &text, &len);
		if (r < 0) {
			fprintf(stderr, "%s\n", strerror(-r));
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	}
	return argc > 1 ? 0 : 1; /* a missing corpus must not pass */
}
