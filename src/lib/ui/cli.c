/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "ui/cli.h"
#include "ui/out.h"

/* All options, in the order of their bits. */
static const struct cli_option {
	char letter; /* 0 = long only */
	char name[sizeof("noheadings")];
	const char *argument; /* "=UUID", or "[=SECONDS]" if it may be omitted; NULL = no value */
} options[CLI_OPTIONS] = {
	{ 'u', "uuid", "=UUID" },  { 'p', "parent", "=PARENT" }, { 't', "type", "=TYPE" },
	{ 'a', "auto", NULL },	   { 'm', "manual", NULL },	 { 0, "addattr", "=ATTRIBUTE" },
	{ 0, "delattr", NULL },	   { 'i', "index", "=INDEX" },	 { 0, "value", "=VALUE" },
	{ 'l', "live", NULL },	   { 'd', "defined", NULL },	 { 0, "jsonfile", "=FILE" },
	{ 'f', "force", NULL },	   { 0, "dumpjson", NULL },	 { 'v', "verbose", NULL },
	{ 0, "ensure", NULL },	   { 0, "wait", "[=SECONDS]" },	 { 0, "settle", NULL },
	{ 0, "dry-run", NULL },	   { 0, "json", NULL },		 { 'V', "version", NULL },
	{ 'h', "help", NULL },	   { 0, "all", NULL },		 { 0, "check", NULL },
	{ 0, "noheadings", NULL }, { 0, "start", NULL },	 { 0, "prune", NULL },
};

#define WAIT_DEFAULT 30

static unsigned number(unsigned option)
{
	return (unsigned)__builtin_ctz(option);
}

/* mdevctl runs its commands as "mdevctl-define", for which the user has typed two words. */
static char *display_name(const char *name)
{
	char *display = mem_text(name);

	if (strncmp(name, "mdevctl-", 8) == 0)
		display[7] = ' ';
	return display;
}

/* The arguments are in use until exit(), so callers do not free them. */
__attribute__((noreturn, format(printf, 2, 3))) static void usage_error(const struct cli *cli,
									const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *display = display_name(cli->name), *text = mem_vprintf(format, args);
	va_end(args);
	log_error("%s\nTry '%s --help' for more information.", text, display);
	free(display);
	free(text);
	exit(STATUS_USAGE);
}

static void print_use(const struct cli_use *use)
{
	const struct cli_option *option = &options[number(use->option)];
	char letter[] = { '-', option->letter, ',', '\0' };
	_cleanup_free_ char *names =
		mem_printf("%3s --%s%s", option->letter ? letter : "", option->name,
			   option->argument ? option->argument : "");

	out_print("  %-25s %s\n", names, use->help);
}

static void print_help(const struct cli *cli)
{
	const struct cli_spec *spec = cli->spec;
	_cleanup_free_ char *display = display_name(cli->name);

	out_print("Usage: %s %s\n", display, spec->usage[0]);
	for (size_t i = 1; i < 3 && spec->usage[i]; i++)
		out_print("       %s %s\n", display, spec->usage[i]);
	out_print("\n%s\n\nOptions:\n", spec->summary);
	for (const struct cli_use *use = spec->uses; use->option; use++)
		print_use(use);
	print_use(&(struct cli_use){ CLI_HELP, "Print this help and exit" });
	out_print("\nSee mdev-%s(8).\n", spec->command);
}

static bool is_used(const struct cli_spec *spec, unsigned option)
{
	for (const struct cli_use *use = spec->uses; use->option; use++)
		if (use->option == option)
			return true;
	return option == CLI_HELP;
}

/* Returns the bit of an option that this program takes; 0 if there is none with this name or, if it
 * is NULL, this letter. */
static unsigned find(const struct cli_spec *spec, const char *name, char letter)
{
	for (unsigned i = 0; i < CLI_OPTIONS; i++)
		if ((name ? strcmp(options[i].name, name) == 0 : options[i].letter == letter) &&
		    is_used(spec, 1u << i))
			return 1u << i;
	return 0;
}

/* Handles an option, whose value is the attached text, or else the next argument unless that is an
 * option. --help and --version act immediately, before any errors in the rest of the line. */
static void take(struct cli *cli, unsigned option, const char *attached)
{
	const struct cli_option *o = &options[number(option)];
	const char *next = cli->rest[1];

	if (option == CLI_HELP)
		print_help(cli);
	if (option == CLI_VERSION)
		out_print("%s " VERSION "\n", cli->name);
	if (option == CLI_HELP || option == CLI_VERSION)
		exit((int)out_done());
	if (o->argument && *o->argument == '=' && !attached) {
		if (!next || (next[0] == '-' && next[1]))
			usage_error(cli, "Option '--%s' requires a value (--%s%s)", o->name,
				    o->name, o->argument);
		attached = next;
		cli->rest++;
	}
	if (cli->given & option)
		usage_error(cli, "Option '--%s' cannot be used multiple times", o->name);
	cli->given |= option;
	cli->values[number(option)] = attached;
}

__attribute__((noreturn)) static void unknown_option(const struct cli *cli, const char *name)
{
	struct suggestion suggestion = { .word = name };

	for (unsigned i = 0; i < CLI_OPTIONS; i++)
		if (is_used(cli->spec, 1u << i))
			suggest_try(&suggestion, options[i].name);
	if (*suggestion.best)
		usage_error(cli, "Unknown option '--%s'. Did you mean '--%s'?", name,
			    suggestion.best);
	usage_error(cli, "Unknown option '--%s'", name);
}

static void parse_long(struct cli *cli, const char *word)
{
	size_t n = strcspn(word, "=");
	_cleanup_free_ char *name = mem_text_n(word, n);
	unsigned option = find(cli->spec, name, 0);
	const char *attached = word[n] ? word + n + 1 : NULL;

	if (!option)
		unknown_option(cli, name);
	if (attached && !options[number(option)].argument)
		usage_error(cli, "Option '--%s' does not take a value", name);
	take(cli, option, attached);
}

/* Parses combined short options: flags, optionally followed by one option whose value is the rest.
 */
static void parse_short(struct cli *cli, const char *word)
{
	for (const char *c = word; *c; c++) {
		unsigned option = find(cli->spec, NULL, *c);
		if (!option)
			usage_error(cli, "Unknown option '-%c'", *c);
		bool valued = options[number(option)].argument;
		take(cli, option, valued && c[1] ? c + 1 + (c[1] == '=') : NULL);
		if (valued)
			return;
	}
}

static void parse_words(struct cli *cli)
{
	bool only_operands = false;

	for (; *cli->rest; cli->rest++) {
		const char *word = *cli->rest;

		if (!only_operands && strcmp(word, "--") == 0)
			only_operands = true;
		else if (!only_operands && strncmp(word, "--", 2) == 0)
			parse_long(cli, word + 2);
		else if (!only_operands && word[0] == '-' && word[1])
			parse_short(cli, word + 1);
		else if (cli->spec->operand && !cli->operand)
			cli->operand = word;
		else
			usage_error(cli, "Unexpected argument '%s'", word);
	}
}

/* Returns the options of a set that this program takes, as in "--auto, --manual or --delattr". */
static char *list_options(const struct cli_spec *spec, unsigned set)
{
	char *list = NULL;

	for (unsigned i = 0; i < CLI_OPTIONS; i++)
		if (set & 1u << i && is_used(spec, 1u << i))
			text_append(&list, set >> i >> 1 ? ", " : " or ", "--%s", options[i].name);
	return list ? list : mem_text("");
}

static void check_rule(const struct cli *cli, const struct cli_rule *rule)
{
	_cleanup_free_ char *others = list_options(cli->spec, rule->others);
	_cleanup_free_ char *option = list_options(cli->spec, rule->option & cli->given);
	unsigned found = cli->given & rule->others;
	bool several = found & (found - 1);

	if (rule->kind == CLI_ANY_OF && !found)
		usage_error(cli, "Option %s is required", others);
	if (rule->kind == CLI_ONE_OF && (several || (!found && !*option))) {
		_cleanup_free_ char *alone = list_options(cli->spec, rule->option);
		usage_error(cli, "Exactly one of the options %s is required%s%s", others,
			    *alone ? ", or " : "", alone);
	}
	if (rule->kind == CLI_NEEDS && *option && !found)
		usage_error(cli, "Option %s requires %s", option, others);
	if (rule->kind == CLI_EXCLUDES && *option && found) {
		_cleanup_free_ char *clash = list_options(cli->spec, found);
		usage_error(cli, "Option %s cannot be used with %s", option, clash);
	}
}

__attribute__((noreturn)) static void bad_value(const struct cli *cli, unsigned option,
						const char *value, const char *why)
{
	usage_error(cli, "Option '--%s' has invalid value '%s': %s", options[number(option)].name,
		    value, why);
}

/* libvirt's name of a device, mdev_UUID_PARENT with "_" for all punctuation, may be at hand. */
__attribute__((noreturn)) static void bad_uuid(const struct cli *cli, const char *text)
{
	char uuid[UUID_SIZE] = "";

	if (strncmp(text, "mdev_", 5) == 0 && strlen(text) >= 5 + UUID_SIZE - 1)
		memcpy(uuid, text + 5, UUID_SIZE - 1);
	for (char *c = uuid; *c; c++)
		if (*c == '_')
			*c = '-';
	if (!uuid_read(uuid, uuid))
		bad_value(cli, CLI_UUID, text, "not a UUID");
	_cleanup_free_ char *why = mem_printf("not a UUID. Did you mean '%s'?", uuid);
	bad_value(cli, CLI_UUID, text, why);
}

/* Splits UUID[:PARENT], which is also the form used in instance names of units. */
static void check_uuid(struct cli *cli, const char *text)
{
	const char *colon = strncmp(text, "urn:", 4) == 0 ? NULL : strchr(text, ':');
	_cleanup_free_ char *uuid = mem_text_n(text, colon ? (size_t)(colon - text) : strlen(text));

	if (!uuid_read(uuid, cli->uuid))
		bad_uuid(cli, text);
	cli->values[number(CLI_UUID)] = cli->uuid;
	if (!colon)
		return;
	if (!parent_name_valid(colon + 1))
		bad_value(cli, CLI_UUID, text, "not the name of a parent after the colon");
	if (cli->given & CLI_PARENT && strcmp(cli_value(cli, CLI_PARENT), colon + 1) != 0)
		usage_error(cli, "Options --uuid and --parent specify different parents");
	cli->given |= CLI_PARENT;
	cli->values[number(CLI_PARENT)] = colon + 1;
}

static unsigned check_number(const struct cli *cli, unsigned option, unsigned standard)
{
	const char *text = cli_value(cli, option);
	unsigned value = standard;

	if (text && !text_number(text + (*text == '+'), UINT_MAX, &value))
		bad_value(cli, option, text, "not a number from 0 to 4294967295");
	return value;
}

static void check_values(struct cli *cli)
{
	const char *uuid = cli_value(cli, CLI_UUID), *parent = cli_value(cli, CLI_PARENT),
		   *type = cli_value(cli, CLI_TYPE), *attr = cli_value(cli, CLI_ADDATTR),
		   *value = cli_value(cli, CLI_VALUE);
	bool is_parent = cli->spec->operand && strcmp(cli->spec->operand, "PARENT") == 0;

	if (uuid)
		check_uuid(cli, uuid);
	if (parent && !parent_name_valid(parent))
		bad_value(cli, CLI_PARENT, parent, "not the name of a parent");
	if (cli->operand && is_parent && !parent_name_valid(cli->operand))
		usage_error(cli, "Argument %s has invalid value '%s': not the name of a parent",
			    cli->spec->operand, cli->operand);
	if (type && !title_valid(type))
		bad_value(cli, CLI_TYPE, type, "not the name of a type");
	if (attr && (!attr_name_valid(attr) || !attr_name_settable(attr)))
		bad_value(cli, CLI_ADDATTR, attr, "not the name of an attribute");
	if (value && !text_is_utf8(value, strlen(value)))
		bad_value(cli, CLI_VALUE, value, "not valid UTF-8");
	cli->index = check_number(cli, CLI_INDEX, 0);
	cli->wait = cli->given & CLI_WAIT ? check_number(cli, CLI_WAIT, WAIT_DEFAULT) : 0;
}

void cli_parse(const struct cli_spec *spec, int argc, char *argv[], struct cli *ret)
{
	*ret = (struct cli){ .argv = argv,
			     .spec = spec,
			     .name = argc > 0 ? text_base_name(argv[0]) : spec->command,
			     .rest = argc > 0 ? argv + 1 : argv };
	parse_words(ret);
	if (spec->operand && !ret->operand)
		usage_error(ret, "Argument %s is required", spec->operand);
	for (const struct cli_rule *rule = spec->rules; rule->kind; rule++)
		check_rule(ret, rule);
	check_values(ret);
}

const char *cli_value(const struct cli *cli, unsigned option)
{
	return cli->values[number(option)];
}

int cli_print_uuid(const struct cli *cli, const sigset_t *mask, const char *uuid, int r)
{
	if (r == 0 && !(cli->given & CLI_UUID)) {
		out_print("%s\n", uuid);
		out_flush();
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	return r;
}

struct op cli_op(const struct cli *cli, const struct env *env)
{
	return (struct op){ .env = env,
			    .uuid = cli_value(cli, CLI_UUID),
			    .parent = cli_value(cli, CLI_PARENT),
			    .type = cli_value(cli, CLI_TYPE),
			    .jsonfile = cli_value(cli, CLI_JSONFILE),
			    .force = cli->given & CLI_FORCE };
}

int cli_main(const struct cli_spec *spec, int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	struct cli cli;

	cli_parse(spec, argc, argv, &cli);
	if (env_open(&env, &err) < 0 || spec->run(&cli, &env, &err) < 0) {
		out_flush();  /* the error follows the output, on a terminal */
		if (err.text) /* otherwise, the output is sufficient */
			log_error("%s", err.text);
		return out_done() == STATUS_OK ? (int)err.status : STATUS_FAILED;
	}
	return (int)out_done();
}
