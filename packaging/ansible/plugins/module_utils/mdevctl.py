# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the programs of mdev-tools and reads the JSON that they print."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json


def find(module, name):
    """Return the path of a program; None in check mode, as an earlier task might install it."""
    path = module.get_bin_path(name)
    if path is None:
        missing = "mdev-tools is not installed on this host: the program %s does not exist" % name
        if not module.check_mode:
            module.fail_json(msg=missing)
        module.warn(missing)
    return path


def run(module, command, data=None):
    """Return what the command prints as JSON, and what it says on standard error. Fail if it prints none."""
    code, out, err = module.run_command(command, data=data)
    try:
        return json.loads(out), err.strip()
    except ValueError:
        module.fail_json(msg=err.strip() or "%s printed no JSON" % command[0], rc=code)
