#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --array=0-2%3
#SBATCH --constraint=h100
#SBATCH --cpus-per-task=8
#SBATCH --dependency=afterany:100_0:100_2
#SBATCH --exclude=node7
#SBATCH --gpus-per-node=1
#SBATCH --job-name=ttt-main-adapt
#SBATCH --mail-type=FAIL
#SBATCH --mem=64G
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=LOGS/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --qos=normal
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=120
#SBATCH --wckey=submitit

# setup
module load cuda
source venv/bin/activate
export PYTHONPATH=CLONE"${PYTHONPATH:+:$PYTHONPATH}"

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output LOGS/%A_%a_%t_log.out --cpus-per-task 8 apptainer exec --nv image.sif python3 -u -m submitit.core._submit LOGS
