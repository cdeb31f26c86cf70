#!/bin/sh
# The scaling guide's name for: engramd capacity
exec "${ENGRAMD:-engramd}" capacity "$@"
