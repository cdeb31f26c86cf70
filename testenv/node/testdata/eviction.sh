# Check eviction metrics
curl -s http://localhost:7432/metrics | jq '.eviction'

# Verify activation distribution
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq '.activation_histogram'
