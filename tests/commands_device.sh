#!/bin/sh
# commands_device.sh - the pictures that the documents' command lines make. SPDX-License-Identifier: MIT
DEVICE=yes exec sh "${top_srcdir:-.}/tests/commands.sh"
