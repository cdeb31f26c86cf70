#!/bin/sh
# The scaling guide's name for: engramd bench-target
exec "${ENGRAMD:-engramd}" bench-target "$@"
