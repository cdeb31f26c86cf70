#!/bin/bash
# Rebalance storage tiers to reduce memory pressure

# 1. Check current tier distribution
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq '.tier_distribution'

# Example output:
# {
#   "hot": 150000,      # 15% of nodes (too high)
#   "warm": 300000,     # 30%
#   "cold": 550000      # 55%
# }

# 2. Adjust eviction thresholds to be more aggressive
curl -X POST http://localhost:7432/api/v1/admin/storage/eviction \
  -H "Content-Type: application/json" \
  -d '{
    "hot_threshold": 0.2,    # Evict to warm if activation < 0.2 (was 0.3)
    "warm_threshold": 0.05   # Evict to cold if activation < 0.05 (was 0.1)
  }'

# 3. Trigger immediate eviction sweep
curl -X POST http://localhost:7432/api/v1/admin/storage/evict-now

# 4. Monitor tier migration progress (watch for 5 minutes)
watch -n 5 'curl -s http://localhost:7432/api/v1/admin/storage/stats | jq .tier_distribution'

# 5. Verify memory usage decreased
curl -s http://localhost:7432/metrics | jq '.memory.hot_tier_bytes'

# Expected outcome: Hot tier reduced to <10% of total nodes
