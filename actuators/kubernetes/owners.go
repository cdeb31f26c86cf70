package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/policy"
)

// An owner is a field manager that has one of our container's resources in the template.
type owner struct {
	Manager  string          `json:"manager"`
	Applies  bool            `json:"applies,omitempty"` // by server-side apply: it will set its value again
	Resource policy.Resource `json:"resource"`
	Limit    bool            `json:"limit,omitempty"` // of the limit, else of the request
	// Whole says that it has the list of all limits or requests, too.
	Whole bool `json:"whole,omitempty"`
}

// fieldSet is the form of metadata.managedFields[].fieldsV1.
type fieldSet map[string]json.RawMessage

func (f fieldSet) at(keys ...string) fieldSet {
	for _, k := range keys {
		var below fieldSet
		if json.Unmarshal(f[k], &below) != nil {
			return nil
		}
		f = below
	}
	return f
}

// ownersOf lists who has the resources of the template's container, always in the same order: a plan is
// approved by what it holds.
func ownersOf(entries []metav1.ManagedFieldsEntry, container string) []owner {
	var owners []owner
	for _, e := range entries {
		if e.FieldsV1 == nil || e.Subresource != "" {
			continue
		}
		var root fieldSet
		if json.Unmarshal(e.FieldsV1.GetRawBytes(), &root) != nil {
			continue
		}
		resources := root.at("f:spec", "f:template", "f:spec", "f:containers", key(container), "f:resources")
		for _, res := range resizable {
			for _, of := range []string{"f:limits", "f:requests"} {
				list := resources.at(of)
				if _, ok := list["f:"+string(names[res])]; ok {
					_, whole := list["."]
					owners = append(owners, owner{e.Manager, e.Operation == metav1.ManagedFieldsOperationApply, res, of == "f:limits", whole})
				}
			}
		}
	}
	slices.SortStableFunc(owners, func(a, b owner) int { return strings.Compare(a.String(), b.String()) })
	return owners
}

func (o owner) String() string {
	of := "request"
	if o.Limit {
		of = "limit"
	}
	return fmt.Sprintf("%s %s %s", o.Resource, of, o.Manager)
}

// key is how managed fields name a container.
func key(container string) string {
	b, _ := json.Marshal(map[string]string{"name": container})
	return "k:" + string(b)
}
