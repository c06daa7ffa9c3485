"""What notebooks need besides the subject: device and seeds, data files, exercises, measuring."""
