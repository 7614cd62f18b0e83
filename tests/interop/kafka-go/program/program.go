// Package program is what the programs in Go share: a line for each pattern of ../../README.md that is wanted, and what a pattern
// says of it.
package program

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const limit = 60 * time.Second

// Start is the time of messages that say theirs themselves: not so old that they are due to go.
var Start = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

// Address is the broker's HOST:PORT.
var Address = os.Args[1]

// Pattern has names in the broker that begin with the prefix.
type Pattern struct {
	Name string
	Run  func(ctx context.Context, prefix string)
}

// Run goes through those that the arguments name, or through all, and ends the process.
func Run(patterns ...Pattern) {
	wanted := map[string]bool{}
	for _, argument := range os.Args[2:] {
		wanted[argument] = true
	}
	status := 0
	for _, each := range patterns {
		if len(wanted) > 0 && !wanted[each.Name] {
			continue
		}
		outcome := make(chan error, 1)
		go func() { outcome <- attempt(each) }()
		var err error
		select {
		case err = <-outcome:
		case <-time.After(limit):
			err = fmt.Errorf("not done after %v", limit)
		}
		if err == nil {
			fmt.Println("ok", each.Name)
		} else {
			status = 1
			fmt.Println("not ok", each.Name, strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	os.Exit(status)
}

// attempt runs a pattern. In a pattern whatever goes wrong panics, which keeps it readable.
func attempt(each Pattern) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	each.Run(ctx, fmt.Sprintf("interop.%s.%d.", each.Name, os.Getpid()))
	return nil
}

// Login is by which SASL mechanism to log in, and the TLS to do so over; or nil.
func Login() (mechanism string, over *tls.Config) {
	folder := os.Getenv("ENTREPOT_INTEROP_TLS")
	if folder == "" {
		return "", nil
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(Must(os.ReadFile(filepath.Join(folder, "ca.pem"))))
	return os.Getenv("ENTREPOT_INTEROP_SASL"), &tls.Config{RootCAs: authorities}
}

func Must[T any](value T, err error) T {
	Check(err)
	return value
}

func Check(err error) {
	if err != nil {
		panic(err)
	}
}

func Equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("expected %v, got %v", expected, actual))
	}
}

func Numbers(count, from int) []string {
	all := make([]string, count)
	for index := range all {
		all[index] = strconv.Itoa(from + index)
	}
	return all
}
