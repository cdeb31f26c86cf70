#!/bin/sh
# The scaling guide's name for: engramd diagnose
exec "${ENGRAMD:-engramd}" diagnose "$@"
