# Check partition and filesystem
lsblk
df -h /data
