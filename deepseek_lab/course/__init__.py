"""What notebooks need besides the subject: device and seeds, the machine, data files, exercises, measuring."""
