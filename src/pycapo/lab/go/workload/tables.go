// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

const nodesPath = "/api/v1/nodes"

// withTables answers kubectl's question for nodes as a table, which the API server in memory does not: kubectl would
// print names and ages only.
func withTables(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !wantsNodeTable(r) {
			next.ServeHTTP(rw, r)
			return
		}
		plain := r.Clone(r.Context())
		plain.Header.Set("Accept", runtime.ContentTypeJSON)
		answer := &recorder{header: rw.Header(), status: http.StatusOK}
		next.ServeHTTP(answer, plain)
		body := answer.body.Bytes()
		if answer.status == http.StatusOK {
			if table, err := nodeTable(body, r.URL.Query().Get("includeObject") == "Object"); err == nil {
				body = table
			}
		}
		rw.Header().Del("Content-Length")
		rw.WriteHeader(answer.status)
		_, _ = rw.Write(body)
	})
}

func wantsNodeTable(r *http.Request) bool {
	path, watch := r.URL.Path, r.URL.Query().Get("watch")
	return r.Method == http.MethodGet && (path == nodesPath || strings.HasPrefix(path, nodesPath+"/")) &&
		watch != "true" && watch != "1" && strings.Contains(r.Header.Get("Accept"), "as=Table")
}

// nodeTable makes the table that a real API server makes of a node or a list of nodes.
func nodeTable(body []byte, whole bool) ([]byte, error) {
	list := corev1.NodeList{}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list.Kind == "Node" {
		node := corev1.Node{}
		if err := json.Unmarshal(body, &node); err != nil {
			return nil, err
		}
		list.Items = []corev1.Node{node}
	}
	table := metav1.Table{
		TypeMeta:          metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"},
		ListMeta:          list.ListMeta,
		ColumnDefinitions: nodeColumns(),
	}
	for i := range list.Items {
		object, err := json.Marshal(rowObject(&list.Items[i], whole))
		if err != nil {
			return nil, err
		}
		row := metav1.TableRow{Cells: nodeCells(&list.Items[i]), Object: runtime.RawExtension{Raw: object}}
		table.Rows = append(table.Rows, row)
	}
	return json.Marshal(table)
}

func rowObject(node *corev1.Node, whole bool) any {
	if whole {
		node.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
		return node
	}
	kind := metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"}
	return metav1.PartialObjectMetadata{TypeMeta: kind, ObjectMeta: node.ObjectMeta}
}

func nodeColumns() []metav1.TableColumnDefinition {
	columns := []metav1.TableColumnDefinition{{Name: "Name", Type: "string", Format: "name"}}
	for _, name := range []string{"Status", "Roles", "Age", "Version"} {
		columns = append(columns, metav1.TableColumnDefinition{Name: name, Type: "string"})
	}
	for _, name := range []string{"Internal-IP", "External-IP"} { // with -o wide
		columns = append(columns, metav1.TableColumnDefinition{Name: name, Type: "string", Priority: 1})
	}
	return columns
}

func nodeCells(node *corev1.Node) []any {
	age := duration.HumanDuration(time.Since(node.CreationTimestamp.Time))
	version := node.Status.NodeInfo.KubeletVersion
	return []any{
		node.Name, nodeStatus(node), nodeRoles(node), age, version,
		nodeAddress(node, corev1.NodeInternalIP), nodeAddress(node, corev1.NodeExternalIP),
	}
}

func nodeStatus(node *corev1.Node) string {
	status := "Unknown"
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			status = "NotReady"
			if condition.Status == corev1.ConditionTrue {
				status = "Ready"
			}
		}
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(node *corev1.Node) string {
	var roles []string
	for label := range node.Labels {
		if role, found := strings.CutPrefix(label, "node-role.kubernetes.io/"); found && role != "" {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return "<none>"
	}
	sort.Strings(roles)
	return strings.Join(roles, ",")
}

func nodeAddress(node *corev1.Node, kind corev1.NodeAddressType) string {
	for _, address := range node.Status.Addresses {
		if address.Type == kind {
			return address.Address
		}
	}
	return "<none>"
}

// recorder keeps an answer until it is known what becomes of it.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) WriteHeader(status int)         { r.status = status }
func (r *recorder) Write(part []byte) (int, error) { return r.body.Write(part) }
