#!/bin/sh
# Copies the program next to the installed packages: node looks for packages beside the file that imports them.
set -eu
cp package.json package-lock.json .npmrc ./*.js "$OUT/"
cd "$OUT"
npm ci --no-audit --no-fund --loglevel=error
