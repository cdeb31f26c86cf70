#!/bin/sh
# The scaling guide's name for: engramd analyze
exec "${ENGRAMD:-engramd}" analyze "$@"
