# Identify actual bottleneck
./scripts/diagnose_bottleneck.sh

# Check for:
# 1. Lock contention (high CPU but low throughput)
# 2. Network saturation (high bandwidth usage)
# 3. Disk I/O bottleneck (high iowait)
# 4. Memory bandwidth (NUMA cross-node access)
