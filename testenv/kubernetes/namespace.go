package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv"
)

// Namespace makes a namespace for the test, and deletes it after the test with all that is in it. What was in it when a
// test failed (pods, their logs, events) goes to the artifacts.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	made, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("testenv: make a namespace: %v", err)
	}
	artifacts := testenv.Artifacts(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("testenv: %s", c.report(made.Name))
			if err := c.save(made.Name, artifacts); err != nil {
				t.Logf("testenv: keep what was in the namespace: %v", err)
			}
		}
		if err := c.deleteNamespace(made.Name); err != nil {
			t.Errorf("testenv: delete the namespace %s: %v", made.Name, err)
		}
	})
	if c.node != nil { // pods are refused until the namespace has its account; the controllers back off while the API server is away
		testenv.Eventually(t, time.Minute, "the namespace has its service account", func() bool {
			_, err := c.client.CoreV1().ServiceAccounts(made.Name).Get(t.Context(), "default", metav1.GetOptions{})
			return err == nil
		})
	}
	return made.Name
}

// deleteNamespace waits until the namespace's pods are gone, so that the next test has the node for itself. It gives them
// no time to end: what is in them is the test's.
func (c *Cluster) deleteNamespace(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil || c.node == nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		now := int64(0)
		err := c.client.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
		if err != nil && !errors.IsNotFound(err) {
			return err
		}
		if pods, err := c.client.CoreV1().Pods(name).List(ctx, metav1.ListOptions{}); err == nil && len(pods.Items) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("its pods are still there: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// save writes what a namespace holds to files.
func (c *Cluster) save(namespace, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	pods, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events, err := c.client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for name, what := range map[string]any{"pods.json": pods.Items, "events.json": events.Items} {
		content, err := json.MarshalIndent(what, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return c.saveLogs(namespace, dir)
}

// saveLogs copies the logs of the namespace's containers, of earlier runs too, from the node's files.
func (c *Cluster) saveLogs(namespace, dir string) error {
	files, err := filepath.Glob(c.env.path("log", "pods", namespace+"_*", "*", "*.log"))
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // its pod is being deleted
		}
		name := filepath.Base(filepath.Dir(filepath.Dir(file))) + "-" + filepath.Base(filepath.Dir(file)) + "-" + filepath.Base(file)
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
