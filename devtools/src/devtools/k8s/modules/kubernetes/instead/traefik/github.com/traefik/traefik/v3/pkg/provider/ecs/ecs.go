// Package ecs is left out here: it needs the whole client of Amazon's EC2, a fifth of what Traefik takes to build.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider is in Traefik's configuration, where the local cluster does not use it.
type Provider struct{}

// SetDefaults has nothing to set.
func (p *Provider) SetDefaults() {}

// Init always fails.
func (p *Provider) Init() error {
	return errors.New("this build has no ECS provider")
}

// Provide is not reached, because Init fails.
func (p *Provider) Provide(chan<- dynamic.Message, *safe.Pool) error {
	return nil
}
