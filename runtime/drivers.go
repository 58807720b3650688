package coreruntime

import (
	"context"
	"errors"
)

func startDriver(context.Context, Config) (*Runtime, error) { return nil, errors.New("no drivers yet") }
