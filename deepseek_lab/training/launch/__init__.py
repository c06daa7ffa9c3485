"""Real ranks: from a notebook cell with `run`, on one or many hosts with plain `torchrun`. One worker for both.

    from deepseek_lab.training.launch import run

    reports = run("zero2", world_size=2, steps=10)
    print(reports[0].losses, reports[0].bytes)

Read `job` (what is trained), `worker` (what each rank does), `watch` (how ranks notice that one of them is lost) and
`local` (how they are started, listened to and ended) in that order.

On many hosts, with the folder that `prepare` wrote on a disk that all of them see:

    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 --rdzv-id any-name \\
        -m deepseek_lab.training.launch.worker FOLDER

and under SLURM, with one such command per host:

    #SBATCH --nodes=4 --ntasks-per-node=1 --gpus-per-node=8
    HOST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint "$HOST:29500" \\
        --rdzv-id "$SLURM_JOB_ID" -m deepseek_lab.training.launch.worker FOLDER
"""

from deepseek_lab.training.launch.job import Job, Report, prepare
from deepseek_lab.training.launch.local import RanksFailed, run

__all__ = ["Job", "RanksFailed", "Report", "prepare", "run"]
