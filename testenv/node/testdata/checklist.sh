#!/bin/bash
# Validate scaling effectiveness

echo "=== Post-Scaling Validation ==="
echo ""

# 1. CPU utilization normalized
echo "CPU Utilization (should be <70%):"
curl -s http://localhost:7432/metrics | jq '.cpu.utilization_percent'

# 2. Memory pressure reduced
echo "Memory Usage (should be <80%):"
curl -s http://localhost:7432/metrics | jq '.memory.usage_percent'

# 3. Latency improved
echo "P99 Latency (should be <10ms):"
curl -s http://localhost:7432/metrics | jq '.latency.p99_ms'

# 4. Queue depth stable
echo "Spreading Queue Depth (should be <50):"
curl -s http://localhost:7432/metrics | jq '.spreading.queue_depth'

# 5. Error rate normal
echo "Error Rate (should be <0.1%):"
curl -s http://localhost:7432/metrics | jq '.errors.rate_per_sec'

# 6. Tier distribution healthy
echo "Hot Tier Ratio (should be <10%):"
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq '.tier_distribution.hot / .tier_distribution.total'

echo ""
echo "=== Validation Complete ==="
