#!/usr/bin/env bash
# The variables the Makefile understands.
cat <<'TEXT'

Variables of bench, bench-fuse, bench-fuse-peers and plan:
  CONFIG     which rows, by comma: 2GiB 19GiB mountpoint[-nocache|-memory|-2GiB] rclone[-nocache] s3fs geesefs pond-blind
             ...-tuned for Mountpoint, rclone, s3fs, geesefs as one would set them for data that never changes;
             tmpfs always runs
  SCALE      share of COCO train2017: 1/32 by default, 1 is the real size; shrinks files and caches alike
  ROUNDS     how often each row runs (3)          JUDGED=1   the suite's judged scale and rounds
  ACCESS     random,serial                        MODE       decode, or raw: read the bytes only
  S3         sim, seaweedfs, https://HOST/BUCKET  PROFILE    network of sim: aws, aws-fast, none
  LOADER     auto, torch or pillow                DATA       train2017.zip or a folder of images
  ONLY       which cases, by comma: part of a name, or a pattern (make plan lists them)
  RESUME     a run to go on with                  FRESH=1    start over; else a stopped run goes on
  RUN        the name of a run in parts           SHARD      i/n: this machine's part of RUN
  JOBS       groups at once, dask://HOST:PORT, or slurm
  DRY_RUN=1  say what would run, and touch nothing
  SUITE      which suite `make plan` lists (fuse)
Variables of bench-pod and bench-pod-exp2:
  SUT        which systems, by comma, or all (pga): snp snz snx dill cpkl shev zosp zodb criu crii exhaust noop kishu
             pod pga pgaz pgl pfl pfa pg0 pg1 pnb pnv prand pgcacheN ...; a wrong name lists them. In exp2: SUTS
  NB         which workloads, by comma (all): rmtree rmlist skltweet msciedaw nbupdate, each also with suffixes:
             [exc] leaves the data out, [n=K] is repetition K, and rmtree's [tc=K][tv=K][tl=K][tml=K][tme=K]
  TC TV TL TML TME   exp2's lists of rmtree's parameters: 0,10,…,100 counts on, 1e2 is 100
  ROUNDS     how often each case runs (1)         SCALE      share of the published sizes (each workload's own)
  FIDELITY   fixed; or paper: the published system's handicaps and mistakes, too
  NOTEBOOK   anyone's .ipynb instead of NB        NBDATA     the folder of the unzipped published data
  REQUIRE    systems by comma, or all: one that is missing is a failure
  TIMEOUT    seconds after which a trial is ended RESUME     a run to go on with
Variables of bench-pod-micro:
  ONLY       which sessions, by comma             SYSTEMS    which of pod, pod-python, pickle, dill
Variables of setup:
  PYTHON     the interpreter; one inside an environment is used as it is
  VENV       the environment to use or make (.venv)
  TORCH_INDEX  where torch and torchvision come from
Variables of peers:
  PEERS      which, by space (all): mountpoint s3fs geesefs, for pond; criu kishu xdelta3 postgresql redis, for pod
Variables of test and ci:
  REQUIRE    by comma: fuse s3 root postgres redis; a skipped test of that kind is a failure
  ARGS       more arguments for pytest
TEXT
