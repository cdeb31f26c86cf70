curl -f http://localhost:7432/health || echo "Health check failed"
curl -s http://localhost:7432/metrics | grep -E "cpu_utilization|memory_usage"
curl -X POST http://localhost:7432/api/v1/admin/maintenance/enable
timeout 120 bash -c 'until curl -f http://localhost:7432/health; do sleep 5; done'
curl -X POST http://localhost:7432/api/v1/admin/maintenance/disable
