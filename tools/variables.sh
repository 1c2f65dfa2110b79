#!/usr/bin/env bash
# The variables the Makefile understands.
cat <<'TEXT'

Variables of bench and bench-fuse:
  CONFIG     which rows, by comma: 2GiB 19GiB mountpoint mountpoint-nocache tmpfs pond-blind (tmpfs always runs)
  SCALE      share of COCO train2017: 1/32 by default, 1 is the real size; shrinks files and caches alike
  ROUNDS     how often each row runs (3)          JUDGED=1   1/16 of the files and 7 rounds
  ACCESS     random,serial                        MODE       decode, or raw: read the bytes only
  S3         sim, seaweedfs, https://HOST/BUCKET  PROFILE    network of sim: aws, aws-fast, none
  LOADER     auto, torch or pillow                DATA       train2017.zip or a folder of images
  RESUME     a run to go on with                  FRESH=1    start over
  DRY_RUN=1  say what would run, and touch nothing
Variables of setup:
  PYTHON     the interpreter; one inside an environment is used as it is
  VENV       the environment to use or make (.venv)
  TORCH_INDEX  where torch and torchvision come from
Variables of test and ci:
  REQUIRE    by comma: fuse s3 root; a skipped test of that kind is a failure
  ARGS       more arguments for pytest
TEXT
