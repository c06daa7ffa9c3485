"""The exercises of each notebook: `from deepseek_lab.exercises import attention as exercises`."""
